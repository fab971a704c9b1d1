import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;

/** /echo of checked.py, by Netty with NIO. */
public class EchoNetty extends SimpleChannelInboundHandler<FullHttpRequest> {
	public static void main(String[] args) throws InterruptedException {
		new ServerBootstrap()
			.group(new NioEventLoopGroup(1), new NioEventLoopGroup(2))
			.channel(NioServerSocketChannel.class)
			.childHandler(new ChannelInitializer<SocketChannel>() {
				protected void initChannel(SocketChannel channel) {
					channel.pipeline().addLast(new HttpServerCodec(),
						new HttpObjectAggregator(2 << 20), new EchoNetty());
				}
			})
			.bind("127.0.0.1", Integer.parseInt(args[0])).sync();
	}

	protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
		ByteBuf body = request.content().retain();

		if (request.uri().endsWith("none")) {
			body.release();
			context.writeAndFlush(new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.NO_CONTENT));
		} else if (request.uri().endsWith("chunked")) {
			HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
			HttpUtil.setTransferEncodingChunked(head, true);
			context.write(head);
			if (request.method().equals(HttpMethod.HEAD))
				body.release();
			else
				context.write(new DefaultHttpContent(body));
			context.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
		} else {
			DefaultFullHttpResponse whole =
				new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK, body);
			HttpUtil.setContentLength(whole, body.readableBytes());
			context.writeAndFlush(whole);
		}
	}

	public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
		context.close();
	}
}
