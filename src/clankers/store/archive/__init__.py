"""The archive: a second database beside the first one, for what is seldom asked for."""
