# /echo of checked.py
run lambda { |env|
  how = env["QUERY_STRING"][/as=(\w+)/, 1]
  body = env["rack.input"].read || ""
  next [204, {}, []] if how == "none"
  fields = {"Content-Type" => "application/octet-stream"}
  fields["Content-Length"] = body.bytesize.to_s if how == "length"
  [200, fields, Enumerator.new { |out| body.bytes.each_slice(30_000) { |part| out << part.pack("C*") } }]
}
