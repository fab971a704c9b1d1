#!/usr/bin/env python3
import behind

behind.run("python")
