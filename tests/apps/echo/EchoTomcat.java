import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;

/** /echo of checked.py, by Tomcat with NIO: EchoTomcat PORT DIRECTORY */
public class EchoTomcat extends HttpServlet {
	public static void main(String[] args) throws Exception {
		Tomcat tomcat = new Tomcat();
		Connector connector = new Connector("org.apache.coyote.http11.Http11NioProtocol");

		connector.setPort(Integer.parseInt(args[0]));
		connector.setProperty("address", "127.0.0.1");
		connector.setProperty("maxKeepAliveRequests", "-1");
		tomcat.setBaseDir(args[1]);
		tomcat.setConnector(connector);
		Context context = tomcat.addContext("", null);
		Tomcat.addServlet(context, "echo", new EchoTomcat());
		context.addServletMappingDecoded("/echo", "echo");
		tomcat.start();
		tomcat.getServer().await();
	}

	protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
		String how = request.getParameter("as");
		byte[] body = request.getInputStream().readAllBytes();

		if (how.equals("none")) {
			response.setStatus(204);
			return;
		}
		if (how.equals("length"))
			response.setContentLength(body.length);
		else
			response.flushBuffer();
		response.getOutputStream().write(body);
	}
}
