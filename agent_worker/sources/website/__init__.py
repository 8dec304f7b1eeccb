"""Websites: a page, what it links to on its host, or what a sitemap lists."""
