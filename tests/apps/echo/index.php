<?php // /echo of checked.py
$body = file_get_contents('php://input');
header('Content-Type: application/octet-stream');
if ($_GET['as'] === 'none') {
	http_response_code(204);
} else {
	if ($_GET['as'] === 'length')
		header('Content-Length: ' . strlen($body));
	echo $body;
}
