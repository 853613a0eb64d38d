"""The words of every command: its options and help. Nothing heavy is imported before a command is called."""
