"""What leaves the collector as files: series for spreadsheets and other programs, measurements for clinics."""
