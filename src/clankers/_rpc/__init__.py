"""What the daemon and those who report to it say to each other: framing, and the five upserts."""
