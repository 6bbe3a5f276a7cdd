"""The `taskrunner` command: modules parse options, call the application and print."""
