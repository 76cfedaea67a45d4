"""The scheduling server: free times and bookings."""
