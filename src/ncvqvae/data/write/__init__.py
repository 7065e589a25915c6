"""Series and labels to files, in the columns of the user's own table."""
