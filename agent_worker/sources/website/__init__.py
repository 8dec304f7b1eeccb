"""The website source: one page, the pages it links to on its host, or the pages of a sitemap."""
