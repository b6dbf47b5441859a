"""Model versions: their files, their gates, who was champion when and why, waivers, shadow, track record."""
