"""How many calls one machine carries at once: ours beside a stock livekit-agents worker.

Both sides have the same recordings, recognition, speech and language model (a double that takes 50
to 100 ms), the same LiveKit server, voice activity detection and turn settings, and the same tools.
"""
