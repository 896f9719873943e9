//! An HTML document as it grows. Text and attribute values enter through here, harmless and
//! escaped; only names of elements and attributes are taken as they are, and those are literals.

use crate::report::text;

/// Names from the input beyond this length tell nothing more.
const LONGEST_TEXT: usize = 600;

/// The document.
#[derive(Default)]
pub struct Html {
    out: String,
}

/// Attributes of an element: literal names, any values.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Html {
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    /// Markup that is part of the program.
    pub fn literal(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// An element with what `inside` writes in it.
    pub fn within(&mut self, name: &'static str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.start(name, attributes);
        inside(self);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// An element with text in it.
    pub fn element(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.within(name, attributes, |html| html.text(text));
    }

    /// An element that has no inside.
    pub fn void(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
    }

    /// Text on one line.
    pub fn text(&mut self, raw: &str) {
        escape(&text::clip(&text::visible(raw), LONGEST_TEXT), &mut self.out);
    }

    /// Text with its line breaks, not cut: to be copied.
    pub fn block(&mut self, raw: &str) {
        escape(&text::plain_spaces(text::visible_block(raw).trim_end()), &mut self.out);
    }

    fn start(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(name);
        for (key, value) in attributes {
            self.out.push(' ');
            self.out.push_str(key);
            self.out.push_str("=\"");
            let value = text::visible(value);
            // Drawings hold their points in an attribute; all else is a name and is cut as text is.
            let kept = if *key == "d" { value } else { text::clip(&value, LONGEST_TEXT) };
            escape(&kept, &mut self.out);
            self.out.push('"');
        }
        self.out.push('>');
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_leave_their_place() {
        let mut html = Html::default();
        html.element("p", &[("title", "\"><script>")], "</p>&\u{202e}\x1b");
        assert_eq!(html.finish(), "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;/p&gt;&amp;\\u{202e}\\x1b</p>");
    }
}
