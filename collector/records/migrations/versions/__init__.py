"""One file a revision. What a file does is never changed once a program with it was released."""
