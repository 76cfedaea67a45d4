"""LeadSquared."""
