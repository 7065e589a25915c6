"""Files, folders and tables of users to series and labels."""
