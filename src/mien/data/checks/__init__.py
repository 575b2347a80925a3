"""What a text must pass before it becomes instruction data, and the report on what did."""
