<?php
// A receiver of FeedbackPulse's webhooks as its document writes it ("Signature Verification").
require __DIR__ . '/receive.php';

$secret = getenv('WEBHOOK_SECRET');

$payload = file_get_contents('php://input');
// Not in the document: `?? ''`, without which PHP prints a warning before the 403.
$signature = $_SERVER['HTTP_X_FEEDBACKPULSE_SIGNATURE'] ?? '';
$expected = 'sha256=' . hash_hmac('sha256', $payload, $secret);

if (!hash_equals($expected, $signature)) {
    http_response_code(403);
    exit('Invalid signature');
}

$body = json_decode($payload, true, 512, JSON_THROW_ON_ERROR);
$known = array_keys($body) === ['event', 'timestamp', 'data'];
if (!$known || $body['event'] !== $_SERVER['HTTP_X_FEEDBACKPULSE_EVENT']) {
    http_response_code(422);
    exit('Invalid payload');
}
echo $body['event'];
