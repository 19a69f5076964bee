"""Read mail: messages, mailboxes, Outlook files."""
