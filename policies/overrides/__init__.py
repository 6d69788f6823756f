"""What operators said at the command line, beside the files: read, laid out in time, and guarded. Pure."""
