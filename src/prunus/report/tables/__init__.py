"""What was found as tables: one file per table, its columns and their rows; no drawing is needed to make one."""
