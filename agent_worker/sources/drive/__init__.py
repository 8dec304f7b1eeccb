"""The Google Drive source: Docs, Sheets, Slides and files of a folder or a shared drive."""
