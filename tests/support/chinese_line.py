"""An image of a line of Chinese text, for tests on machines without a Chinese font."""

from __future__ import annotations

import base64
import io

from PIL import Image

CHINESE_LINE = "文件的作者是中国人，第一章有三个表，下面是正文的内容。"
_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAxwAAAA8AgMAAACRLVQwAAAADFBMVEX////f39+NjY0lJSXYngbRAAAIeElEQVR42u2Yb4xUVxnG"
    "f+fO7AzMhJlRdyss7bKJpLYICyH+Qd3CxaZk1UZps3eo1JiJ1sQilk00KdECF9KkNrG6JrZqQuo0UgJnSHZMWt1qu3OhTW1NjFMT"
    "KDF8uG1aWhci07jAMHt3jh/u35kd1EQT/XCfLzPn3vOe53nPOe973nMhRowYMWLEiBEjxv8tbiVt/o+otY5WRmcybKX1T3ryAJZC"
    "H4B4y3+/HRB6xHyAJMlFFMKOttKewZHrSvKJeiLh6tOuO186QN6i6XIDZOubAViPBmSlnDIBMQfkDMMw5oDEXGSM6UyedYunKuhS"
    "ALJ1r29vGZmQCJgIlHmSSHiT0uiy86cvb+quTROYHks9OgFUv3sKQLH0WR0qZN4A1EVAGL7txchgtz/dWNm3NZz6VzcAiHMkHXcN"
    "7oT+qvuySaFLyxoTGDhpukSpI8Ddk74yXxI2gG694o/Z5QcFgFV/ti0gSVIHkuYcQgE3aSZQIf+e31sV/TmJiNFef22aV8K2U3Ap"
    "qgy+qR0DPgsMFfzXux/2/tR0QGmXKuIXJS54RM589b7DlUCZJ8nDrl2aTN7daz3TNsComKsC0+QtYEjY5PX0bK22D8hCHndGCuSA"
    "4UZknQESW+1yuK3ystKSNiNyalbWTPETf+9NAIlZ2ZLtYFKUUqoNaHWiRNWIMk8SCQsQs1LKWs8QcfXs1erV5dBklQ6s1ZSsWYIR"
    "MefFB4jTxmVjmpxhGNPdfmR4w1wWzFpeKaUa9DPUGfRriYgEYEZOzcoZIGESEAVdXAZXUlpPWJpNwtoOz/bwYotSSjWhqp2+PMPA"
    "5fH1xjhsSv8IgJFEPZgm0ZItuUBuZEoe7/bjlsefMHbWA6+eePvep8vAbR3zZeV9PyL7JG8Cmp6G+7rWw1PmSUrPVmYrc2TNpvix"
    "eT0/HGgmZEuyRTlblAPT2ZzrR17vD/ywsZkmR9YNjUQkPgpStiqhX1rDzU0dmSl/R9r1tKrZ3X60pqR0evnh+JLSZsLUbFKJt8x9"
    "vfLVpQriizNozpJitQg4JsC293txPWLd9uJ10nXSCv83itg7ZvyWJHPkL7IIm8hcCfqMvPzbdcDIQ5873t891pnHfr8vF7RWvBNR"
    "5ksiCQ1a2Se/s9LstSBCTzQg0VhGFTZzrYmD5mzKUaAmp9pyJoiPYD2E2QCy4XlmUsLWrI7oVaC1guMARCNrrn+rMz5MyB8EtPpo"
    "wnwmiI9VelUEyjxJaTOta3VYl7YTdq/zY0h/sQFLrOzfXbqrOIiJbzzAsbGtpF8tAhTJhDl78HHnYwC8FGwjnSE5eDwYueL99p0v"
    "evk6c4XUJNbZlboFsPSqbwe56Oy6RMqaSD2ne8o8Sb7eB7/5UrvQy4+G/kgDNJZ43A0gfbJfyPeA5RMA1+DK0Ju+3aUTrafLQPKZ"
    "yGAbt9s79jNzEfjA7TuOVOk7Cmn33dcbfcZr5s1mlmvPWQM6dxiDr4V7snCXCYjxDqLMsWFfmScJkqVTkDq8/n5V6uWHU0g24IM0"
    "IHsZ5m0gJ8xcEUj+fGz1OdZ/r+/z1YGTBz27q9XcOwAER2PbRIf2w+5Zr2DnTjgKa7ypMZiHb5eAMVYYYqnB+yzPDt5dDiDGT+MT"
    "mXDlrkCZJwnyjwGa1cyb1zk+8haUfiVla4rNNFfQZHgtOYB8S74ASUEVL+82yZFNmw1gJBs5z982Lhv7qbnHmrhsGHsAu+UdBy6y"
    "brrNnmV7JF8dVEF8eEQMuT+uMk9S2lybPVSHhC3meta7qn/YgrKar/zuKEJxs1/JAIV7KzVwNAsBnC+eL1oA8zpAzgmPAdW3s8/Q"
    "2SqEEEEdnSifL5YWT9zqjSJa8Soz2GM+EVFlniQYuzoB3FhSn57s5Ud7ScEEuLcyXwGwt3oRvQTKlcrzQHKYlOnmmZ8BtOsAo064"
    "vuqGH54v7g+PdyknYWXvCvvRhUxHmVj+aLjVXSI6lbmSxG6VBA7DnXvMXvePUwciUyC46HYSxoO6NuwNX843S6iJIGeeABhtb4hk"
    "799AWIXOVypV2Nb72rPJ+eWN0QfvAmjHQqIApw5EJKVK6nlIn5PyUGd95de7B1/o4HE88QYnP7JBkhuDfrMaWe79bpkk1qpIgZs6"
    "V0AP2leKrILDDMq+uxbfldobOx60zgHte/bRTRQoc4aBGyxKM3x191/NvT/oeR+sd8bNfNkrz4vW1ygWTWBVh/+HisUikLJ5xL/n"
    "WHx4A7v2EikUbYAwPsK74rcsdZbADlDhsnYSBcrmy0ACGvBTAAce0Bf5MbGsw7h9MNgfE97vx3tEK8t16mUYcBX9Gp4Kd33lxIVK"
    "Z+/BYOGWI17Gt+tChCgZUdY+6IS5x8V9ZrcfKVOLxL8MNnzEaPdXenB+CeaGYAWgzBVfptAsh1et0plisAJrpJTyKZ/3QxOseKru"
    "2wXX+63jA8kOok8FymSvYupvhe74uP/aJ/6U3O2/N66FV0RAkhtDK//xC5IzpvtYuONq93yfhZOWu7zWsAULgaqaDqqd6ChTLniN"
    "19n2h6ERtzwhyLh969ah+0RTB5yM7P+Mp8yXBNr2f/LVZI+qp5UDz0ADNssmiQaMuvVz3jAegizsUQv+TTbn/hkEuMVrQse615RS"
    "agGwMyp6DpoAQukcMAM7t26vA9MRoogyT1LahFodErOyCZzvzunrF6A2F/iBo03ZMOqd5zAKy4GBI/5nnJsAJoMVu8mrW6Mw9Kwl"
    "xkHUmVl0nosmLAntQj+OhERRZZ6ktO72TZvsJSh5InXBJKQaoIPu+qHqUHB33VIohJusJ9Z27I9Asv9k9eJEv73DLh+xLfRS5kvC"
    "/baVglLP21DHALcyLtr6f/6NL2v9uz0Hr/tZzVP235IUI0aMGDFixIgRI0aMGDFixIjxL/EP2eBBQNjW9qUAAAAASUVORK5CYII="
)


def chinese_line() -> Image.Image:
    """Return an image of `CHINESE_LINE`, 796 x 60 pixels in gray."""
    with Image.open(io.BytesIO(base64.b64decode(_PNG))) as image:
        return image.convert("L")
