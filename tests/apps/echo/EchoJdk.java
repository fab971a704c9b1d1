import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;

/** /echo of checked.py, by com.sun.net.httpserver. */
public class EchoJdk {
	public static void main(String[] args) throws IOException {
		InetSocketAddress address = new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0]));
		HttpServer server = HttpServer.create(address, 128);

		server.createContext("/", EchoJdk::answer);
		server.setExecutor(Executors.newFixedThreadPool(8));
		server.start();
	}

	static void answer(HttpExchange exchange) throws IOException {
		String how = exchange.getRequestURI().getQuery();
		byte[] body = exchange.getRequestBody().readAllBytes();

		if (how.equals("as=none")) {
			exchange.sendResponseHeaders(204, -1);
		} else if (exchange.getRequestMethod().equals("HEAD")) {
			exchange.sendResponseHeaders(200, -1);
		} else {
			/* 0: chunked; -1: none */
			exchange.sendResponseHeaders(200, how.equals("as=chunked") ? 0 : body.length == 0 ? -1 : body.length);
			exchange.getResponseBody().write(body);
		}
		exchange.close();
	}
}
