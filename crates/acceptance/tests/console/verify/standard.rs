// What the console shows for Rust and Standard Webhooks; a test of the console holds it to that.
