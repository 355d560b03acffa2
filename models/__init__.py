"""What Trailmind knows: tables, request and response schemas, and pure rules about them."""
