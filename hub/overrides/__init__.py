"""What operators say at the command line, beside the files: kept, given to the loop, watched, ended in time."""
