"""Find files: arguments, folders, ignore files, sidecars."""
