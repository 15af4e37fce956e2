"""The collector: intake → stores → scenarios → alerts → web."""
