"""The command line of clankers: one library call a command."""
