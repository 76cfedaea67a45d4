"""Channels in writing, in which the agent of the calls answers, too."""
