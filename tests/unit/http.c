/* links: broker/policy/http broker/base/strbuf */
#include "policy/http.h"
#include "tap.h"

static struct http_request request;

static enum http_status parse(const char *text)
{
	static char bytes[1024];

	CHECK(strlen(text) < sizeof(bytes));
	strcpy(bytes, text);
	return http_parse(bytes, strlen(text), &request);
}

TEST(requests_that_probes_and_scrapers_send)
{
	static const struct {
		const char *text, *path;
		bool head;
		enum http_media accepts;
	} cases[] = {
		{ "GET / HTTP/1.0\r\n\r\n", "/", false, HTTP_MEDIA_OPENMETRICS },
		{ "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "/metrics", false,
		  HTTP_MEDIA_OPENMETRICS },
		{ "HEAD /metrics?x=%20/y HTTP/1.1\r\nhost:\r\n\r\n", "/metrics", true,
		  HTTP_MEDIA_OPENMETRICS },
		{ "GET http://a:80/healthz?q HTTP/1.1\r\nHost: a:80\r\n\r\n", "/healthz", false,
		  HTTP_MEDIA_OPENMETRICS },
		{ "GET HTTP://a/ HTTP/1.9\r\nHost: a\r\n\r\nGET / HTTP/1.0", "/", false,
		  HTTP_MEDIA_OPENMETRICS },
		{ "GET /m HTTP/1.0\r\nContent-Length: 0\r\nX-\xc3\xa4: \xff\r\n\r\n", NULL, false,
		  HTTP_MEDIA_OPENMETRICS },
		{ "GET /m HTTP/1.0\r\nX: \xc3\xa4\xff\t\r\nContent-Length: 0\r\n\r\n", "/m", false,
		  HTTP_MEDIA_OPENMETRICS },
		{ "GET /m HTTP/1.0\r\nAccept: text/plain\r\n\r\n", "/m", false, HTTP_MEDIA_TEXT },
		{ "GET /m HTTP/1.0\r\nACCEPT:TEXT/*;q=0.3 , x/y\r\n\r\n", "/m", false,
		  HTTP_MEDIA_TEXT },
		{ "GET /m HTTP/1.0\r\nAccept: */*\r\n\r\n", "/m", false, HTTP_MEDIA_OPENMETRICS },
		{ "GET /m HTTP/1.0\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.5,"
		  "text/plain;version=0.0.4;q=0.3,*/*;q=0.1\r\n\r\n",
		  "/m", false, HTTP_MEDIA_OPENMETRICS },
		{ "GET /m HTTP/1.0\r\nAccept: application/openmetrics-text; q=0.00\r\n"
		  "Accept: text/plain\r\n\r\n",
		  "/m", false, HTTP_MEDIA_TEXT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum http_status r = parse(cases[i].text);

		if (!cases[i].path) {
			CHECK_EQ(r, HTTP_BAD_REQUEST);
			continue;
		}
		CHECK_EQ(r, HTTP_OK);
		CHECK_EQ(request.head, cases[i].head);
		CHECK_STR(request.path, cases[i].path);
		CHECK_EQ(request.accepts, cases[i].accepts);
	}
}

TEST(what_is_refused_and_with_which_status)
{
	static const struct {
		const char *text;
		enum http_status status;
	} cases[] = {
		{ "\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET /\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET  / HTTP/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0 \r\n\r\n", HTTP_BAD_REQUEST },
		{ " GET / HTTP/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "G\x01T / HTTP/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "G@T / HTTP/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / http/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.x\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/10.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/2.0\r\n\r\n", HTTP_BAD_VERSION },
		{ "GET / HTTP/0.9\r\n\r\n", HTTP_BAD_VERSION },
		{ "GET metrics HTTP/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET http://a HTTP/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET ftp://a/ HTTP/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET * HTTP/1.0\r\n\r\n", HTTP_BAD_REQUEST },
		{ "get / HTTP/1.0\r\n\r\n", HTTP_NOT_ALLOWED },
		{ "POST /metrics HTTP/1.0\r\n\r\n", HTTP_NOT_ALLOWED },
		{ "OPTIONS * HTTP/1.1\r\n\r\n", HTTP_NOT_ALLOWED },
		{ "GET / HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST }, /* no Host */
		{ "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0\r\nX : y\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0\r\nX: y\r\n z\r\n\r\n", HTTP_BAD_REQUEST }, /* folded */
		{ "GET / HTTP/1.0\r\nX\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0\r\n: x\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0\r\nX: a\rb\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0\nHost: a\n\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
		  HTTP_BAD_REQUEST },
		{ "HEAD / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", HTTP_BAD_REQUEST },
		{ "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BAD_REQUEST },
	};

	request = (struct http_request){ .head = false };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum http_status r = parse(cases[i].text);

		CHECK(!request.head); /* the answer has a body */
		if (r != cases[i].status)
			tap_fail(__FILE__, __LINE__, "case %zu gave %d, want %d:\n%s", i, r,
				 cases[i].status, cases[i].text);
	}
}

TEST(a_zero_byte_ends_no_line)
{
	static const char *const texts[] = { "GET /~ HTTP/1.0\r\n\r\n",
					     "GET / HTTP/1.0\r\n~\r\n\r\n",
					     "GET / HTTP/1.0\r~\r\n\r\n",
					     "GET / HTTP/1.0\r\n\r~X\r\n\r\n",
					     "GET / HTTP/1.0\r\nX: ~\r\n\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char bytes[64] = "";

		strcpy(bytes, texts[i]);
		*strchr(bytes, '~') = '\0';
		CHECK_EQ(http_parse(bytes, strlen(texts[i]), &request), HTTP_BAD_REQUEST);
	}
}

TEST(a_head_that_is_not_all_there_waits_until_it_is_too_long)
{
	/* Nothing has come, and there is no buffer yet: a sanitizer sees what is done with it. */
	CHECK_EQ(http_parse(NULL, 0, &request), HTTP_INCOMPLETE);
	static char whole[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	static char big[HTTP_HEAD_MAX];

	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		CHECK_EQ(http_parse(whole, n, &request), HTTP_INCOMPLETE);
	CHECK_STR(whole, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	CHECK_EQ(http_parse(whole, sizeof(whole) - 1, &request), HTTP_OK);
	memset(big, 'a', sizeof(big));
	CHECK_EQ(http_parse(big, sizeof(big) - 1, &request), HTTP_INCOMPLETE);
	CHECK_EQ(http_parse(big, sizeof(big), &request), HTTP_TOO_LARGE);
}

TEST(any_bytes_at_all_are_survived)
{
	static const char *const parts[] = { "GET ", "/", " HTTP/1.1", "\r\n", "\r\n\r\n", "Host:",
					     ":",    " ", "http://",   "\n",   "Accept: ", ";q=",
					     ",",    "0", "?",	       "\t",   "HEAD ",	   "\r" };
	unsigned long long seed = tap_seed();

	for (unsigned run = 0; run < 20000; run++) {
		char bytes[256];
		size_t n = 0;

		for (unsigned k = tap_random(&seed, 12); k > 0 && n < 200; k--) {
			const char *part = parts[tap_random(&seed, ARRAY_SIZE(parts))];

			if (tap_random(&seed, 8) == 0) {
				bytes[n++] = (char)tap_random(&seed, 256);
				continue;
			}
			memcpy(bytes + n, part, strlen(part));
			n += strlen(part);
		}
		memcpy(bytes + n, "\r\n\r\n", 4);
		n += 4;
		/* On the heap, and no byte longer: the sanitizers see one step too far. */
		char *copy = malloc(n);
		enum http_status r;

		CHECK(copy);
		memcpy(copy, bytes, n);
		r = http_parse(copy, n, &request);
		CHECK(r == HTTP_OK || r >= HTTP_BAD_REQUEST);
		if (r == HTTP_OK)
			CHECK(request.path >= copy &&
			      request.path + strlen(request.path) < copy + n);
		free(copy);
	}
}

static const char *answer(enum http_status status, bool head)
{
	static struct strbuf out = STRBUF_GROWS(4096);

	strbuf_deinit(&out);
	http_answer(&out, status, "text/plain", "ok\n", 3, head);
	strbuf_add_bytes(&out, "", 1);
	return out.text;
}

TEST(an_answer_says_its_length_and_that_it_is_the_last)
{
	CHECK_STR(answer(HTTP_OK, false), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
					  "Content-Length: 3\r\nCache-Control: no-store\r\n"
					  "Connection: close\r\n\r\nok\n");
	/* HEAD: the same, and no body. */
	CHECK_STR(answer(HTTP_OK, true), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
					 "Content-Length: 3\r\nCache-Control: no-store\r\n"
					 "Connection: close\r\n\r\n");
	CHECK_CONTAINS(answer(HTTP_NOT_ALLOWED, false), "\r\nAllow: GET, HEAD\r\n");
	CHECK_CONTAINS(answer(HTTP_UNAVAILABLE, false), "HTTP/1.1 503 Service Unavailable\r\n");
}

TAP_MAIN()
