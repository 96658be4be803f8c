"""What the commands in scripts/ are made of: measuring, records, tables and checks."""
