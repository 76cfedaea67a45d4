"""Microphones and loudspeakers on the talk page."""

import pytest
from playwright.async_api import expect

from tests.orchestrator.console.conftest import PlayedAgent, TalkPage

pytestmark = pytest.mark.browser

# Two microphones and a loudspeaker; what the page opens is remembered.
_DEVICES = """
const device = (kind, deviceId, label) => ({ kind, deviceId, label, groupId: deviceId });
const context = new AudioContext();
window.opened = [];
navigator.mediaDevices.enumerateDevices = async () => [
  device("audioinput", "desk", "Desk microphone"),
  device("audioinput", "headset", "<i>Headset</i>"),
  device("audiooutput", "speaker", ""),
];
navigator.mediaDevices.getUserMedia = async ({ audio }) => {
  window.opened.push(audio.deviceId?.exact ?? audio.deviceId?.ideal ?? audio.deviceId ?? "any");
  return context.createMediaStreamDestination().stream;
};
"""


@pytest.fixture
async def talk(talk: TalkPage) -> TalkPage:
    """The page in a browser with these devices."""
    await talk.page.add_init_script(_DEVICES)
    return talk


async def test_another_microphone_is_used_from_the_moment_it_is_chosen(
    talk: TalkPage, agent: PlayedAgent
) -> None:
    page = talk.page
    await page.locator("#devices summary").click()
    microphones = page.get_by_label("Microphone", exact=True)
    await expect(microphones.locator("option")).to_have_text(["Desk microphone", "<i>Headset</i>"])
    await expect(page.get_by_label("Loudspeaker").locator("option")).to_have_text(["Loudspeaker 1"])
    await microphones.select_option("headset")
    await page.wait_for_function("opened.at(-1) === 'headset'")
    await expect(page.locator("#hint")).to_be_hidden()


async def test_a_device_that_is_gone_is_told(talk: TalkPage, agent: PlayedAgent) -> None:
    page = talk.page
    await page.locator("#devices summary").click()
    await page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('gone')); }"
    )
    await page.get_by_label("Microphone", exact=True).select_option("headset")
    await expect(page.locator("#hint")).to_have_text("That device could not be opened.")
