"""What has come in since the last night, folded by the night's own code on to what stood then."""
