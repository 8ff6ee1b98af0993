"""From a sender's statement to the canonical record of one unit of evidence; pure, no input or output."""
