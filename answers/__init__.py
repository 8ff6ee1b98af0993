"""What page, feed, mail and PDF share: one answer to each question, whoever asks."""
