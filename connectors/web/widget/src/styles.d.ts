/** The minified widget.css, put in by the build. */
declare const CSS_TEXT: string;
