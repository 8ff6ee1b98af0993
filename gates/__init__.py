"""Great Expectations at every hand-over; results as rows."""
