"""What leaves the product for analysis: consented sessions, the results of runs, and Parquet files."""
