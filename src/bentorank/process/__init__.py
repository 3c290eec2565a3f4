"""What concerns the process as a whole: settings from a file, its supervisor, its end, its heap."""
