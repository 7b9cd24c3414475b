//! What one recipient will see, as one self-contained page: wide, narrow, and as text.

use crate::message::Message;

/// A page with the message at 600 and 375 px and its text part. Images inside the message are put in
/// as data; nothing is fetched.
#[must_use]
pub fn preview(message: &Message) -> String {
    use base64::Engine as _;
    let mut html = message.html.to_string();
    for image in message.images.iter() {
        let data = base64::engine::general_purpose::STANDARD.encode(&image.file.content);
        let source = format!("data:{};base64,{data}", image.file.media_type);
        html = html.replace(&format!("cid:{}", image.content_id), &source);
    }
    let frame = escape(&html);
    format!(
        "<!DOCTYPE html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\"><title>{subject}</title>\n\
         <style>body{{margin:24px;font-family:sans-serif;background:#ddd;color:#222}}\
         main{{display:flex;gap:24px;flex-wrap:wrap;align-items:flex-start}}\
         iframe{{border:1px solid #999;background:#fff;height:1100px}}\
         pre{{background:#fff;padding:16px;white-space:pre-wrap;width:72ch;margin:0}}</style></head>\n\
         <body><p>{from} → {to}<br><strong>{subject}</strong></p>\n<main>\n\
         <iframe title=\"600 px\" width=\"616\" sandbox srcdoc=\"{frame}\"></iframe>\n\
         <iframe title=\"375 px\" width=\"375\" sandbox srcdoc=\"{frame}\"></iframe>\n\
         <pre>{text}</pre>\n</main></body></html>\n",
        lang = escape(&message.lang),
        subject = escape(message.subject.as_str()),
        from = escape(&message.from.address.to_string()),
        to = escape(&message.to.address.to_string()),
        text = escape(&message.text),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}
