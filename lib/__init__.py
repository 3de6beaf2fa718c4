"""What two or more chapters of the course share, one subject a module."""
