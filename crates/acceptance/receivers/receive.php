<?php
// Serves the script that requires this as a test wants it: the first line printed is the port, then comes a line of
// JSON for each request that was answered. It ends when its standard input does, so nothing is left running.

if (PHP_SAPI === 'cli') {
    serve($_SERVER['SCRIPT_FILENAME']);
    exit;
}
register_shutdown_function('report');

// PHP's own server runs the script for each request; what it writes to standard error names its port.
function serve(string $script): void
{
    $server = proc_open([PHP_BINARY, '-S', '127.0.0.1:0', $script], [['file', '/dev/null', 'r'], STDOUT, ['pipe', 'w']], $pipes);
    $log = $pipes[2];
    while (!preg_match('/127\.0\.0\.1:(\d+)/', fgets($log), $found));
    echo $found[1], "\n";
    do {
        $readable = [STDIN, $log];
        $none = null;
        stream_select($readable, $none, $none, null);
        foreach ($readable as $stream) {
            fread($stream, 8192);
        }
    } while (!feof(STDIN) && !feof($log));
    proc_terminate($server);
}

function report(): void
{
    $status = http_response_code();
    $line = json_encode([
        'accepted' => $status >= 200 && $status < 300,
        'status' => $status,
        'names' => array_keys(getallheaders()),
        'headers' => array_change_key_case(getallheaders()),
        'body' => file_get_contents('php://input'),
    ]);
    file_put_contents('php://stdout', $line . "\n");
}
