"""The command line `kgrag`: one module for each command or group of commands."""
