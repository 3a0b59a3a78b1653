//! Finds what a text contains, as the server does for posts, messages and searches. No database, no I/O.
//!
//! `cargo run -p blegram-domain --example analysis [TEXT]`

use std::error::Error;

use blegram_domain::{PostText, Username, analysis::Analysis};

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::env::args().nth(1);
    let text =
        text.unwrap_or_else(|| "제주 노을 #제주 #Sunset with @Haneul님 https://example.org/#a".to_owned());
    // Parse, don't validate: a `PostText` is normalised and within its limits.
    let text = PostText::parse(&text)?;
    let found = Analysis::of(text.as_str())?;
    println!("text      {}", text.as_str());
    for hashtag in &found.hashtags {
        println!("hashtag   {}", hashtag.as_str());
    }
    for mention in &found.mentions {
        // A Korean particle may belong to the name or not: the database decides which account exists.
        let names: Vec<_> = mention.candidates().iter().map(Username::as_str).collect();
        println!("mention   one of {}", names.join(", "));
    }
    for rejected in ["", "a b", "admin\u{200b}"] {
        if let Err(violation) = Username::parse(rejected) {
            println!("username  {rejected:?} {violation}");
        }
    }
    Ok(())
}
