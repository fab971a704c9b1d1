import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/** com.sun.net.httpserver: one selector thread, a pool that answers. */
public class JdkHttp {
	public static void main(String[] args) throws IOException {
		int port = Integer.parseInt(args[0]);
		InetAddress loopback = InetAddress.getByName("127.0.0.1");
		HttpServer server = HttpServer.create(new InetSocketAddress(loopback, port), 128);

		server.createContext("/", JdkHttp::answer);
		server.setExecutor(Executors.newFixedThreadPool(8));
		server.start();
	}

	static void answer(HttpExchange exchange) throws IOException {
		byte[] body;

		try {
			body = body(exchange.getRequestURI()).getBytes(StandardCharsets.UTF_8);
		} catch (InterruptedException e) {
			throw new IOException(e);
		}
		exchange.sendResponseHeaders(200, body.length);
		exchange.getResponseBody().write(body);
		exchange.close();
	}

	/** Shared with JdkSocket. */
	static String body(URI uri) throws InterruptedException {
		long pid = ProcessHandle.current().pid();

		switch (uri.getPath()) {
		case "/crash":
			Runtime.getRuntime().halt(1);
			break;
		case "/slow":
			Thread.sleep(Long.parseLong(query(uri, "ms")));
			break;
		case "/env":
			StringBuilder text = new StringBuilder();
			System.getenv().forEach((name, value) -> {
				if (name.startsWith("BROKER_"))
					text.append(name).append('=').append(value).append('\n');
			});
			return text.toString();
		default:
			break;
		}
		return "pid=" + pid + " id=" + query(uri, "id") + "\n";
	}

	static String query(URI uri, String name) {
		String query = uri.getRawQuery();

		if (query != null)
			for (String pair : query.split("&"))
				if (pair.startsWith(name + "="))
					return pair.substring(name.length() + 1);
		return "none";
	}
}
