import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** java.net.ServerSocket: blocking accept, a thread per connection, one request on each. */
public class JdkSocket {
	public static void main(String[] args) throws IOException {
		int port = Integer.parseInt(args[0]);
		ServerSocket listener = new ServerSocket(port, 128, InetAddress.getByName("127.0.0.1"));

		while (true) {
			Socket socket = listener.accept();

			new Thread(() -> serve(socket)).start();
		}
	}

	static void serve(Socket socket) {
		try (socket) {
			BufferedReader in = new BufferedReader(
				new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
			String request = in.readLine();

			for (String line = request; line != null && !line.isEmpty(); line = in.readLine())
				continue;
			if (request == null)
				return;
			String body = JdkHttp.body(URI.create(request.split(" ")[1]));
			String answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + body.length()
				+ "\r\n\r\n" + body;

			socket.getOutputStream().write(answer.getBytes(StandardCharsets.ISO_8859_1));
		} catch (IOException | InterruptedException e) {
			System.err.println("connection: " + e);
		}
	}
}
