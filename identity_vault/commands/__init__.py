"""The commands of ``campus vault``, one file each."""
