"""Part types, the kits in which they are bought together, and their price levels.

What belongs here: the vocabulary of the catalogue as text. What does not: products (products.py).
Line: `kit | month of peak demand | part type median-USD, …`. Types with a commodity word (gasket, bolt, cap …) and the
types that are excepted from that rule stand in the kits where they are really bought.
"""

from __future__ import annotations

PARTS = """
Induction | 4 | Intake Manifold 340, Carburetor 460, Air Cleaner Assembly 95, Carburetor Spacer 62, Throttle Body 390, \
Throttle Linkage Kit 85, Intake Manifold Gasket 28, Carburetor Rebuild Kit 64
Fuel delivery | 4 | Mechanical Fuel Pump 110, Electric Fuel Pump 180, Fuel Pressure Regulator 140, Fuel Line Kit 90, \
Fuel Filter 58, Fuel Cell 420, Fuel Rail Kit 190, Fuel Tank 310, Fuel Tank Cap 34
Electronic injection | 3 | Fuel Injection System 1450, Fuel Injector Set 380, Engine Control Module 980, \
Oxygen Sensor 85, Throttle Position Sensor 66, Injection Wiring Harness 420, Handheld Tuner 460, Air Flow Sensor 150
Ignition | 4 | Distributor 310, Distributor Cap 56, Ignition Coil 88, Spark Plug Wire Set 92, Ignition Box 290, \
Spark Plug Set 60, Crank Trigger Kit 360, Timing Light 120, Ignition Key 22
Forced induction | 2 | Supercharger Kit 3900, Turbocharger 1350, Intercooler 520, Blow Off Valve 210, Wastegate 320, \
Boost Controller 260, Supercharger Pulley 130
Nitrous | 5 | Nitrous System 720, Nitrous Bottle 380, Nitrous Solenoid 150, Bottle Warmer 190, Nitrous Bottle Washer 12
Exhaust | 5 | Exhaust Header 520, Exhaust System 890, Muffler 160, Exhaust Manifold 280, Catalytic Converter 410, \
Exhaust Pipe 120, Header Gasket 32, Exhaust Clamp 14, Exhaust Tip 68
Cylinder head | 1 | Cylinder Head 1150, Camshaft 380, Lifter Set 290, Rocker Arm Set 340, Valve Spring Kit 230, \
Pushrod Set 165, Valve Cover 190, Engine Cylinder Head Bolt 120, Valve Cover Gasket 26, Timing Chain Set 150
Short block | 1 | Crate Engine 5800, Piston Set 640, Crankshaft 980, Connecting Rod Set 590, Engine Bearing Set 130, \
Engine Bolt Kit 95, Oil Pan 260, Oil Pump 140, Harmonic Balancer 240, Oil Pan Gasket 30, Main Bolt 45
Cooling | 6 | Radiator 390, Electric Fan 240, Water Pump 170, Thermostat Housing 72, Radiator Hose Kit 80, \
Coolant Reservoir 96, Radiator Cap 24, Hose Clamp 9, Oil Cooler Kit 290
Charging | 7 | Alternator 260, Starter Motor 240, Battery Relocation Kit 110, Battery Cable Set 74, Pulley Kit 210, \
Alternator Bracket 82
Transmission | 2 | Automatic Transmission 2450, Torque Converter 580, Shifter 310, Transmission Cooler 160, \
Transmission Pan 140, Transmission Mount 66, Flexplate 150, Shift Kit 88, Transmission Pan Gasket 27
Clutch | 2 | Clutch Kit 460, Flywheel 390, Clutch Master Cylinder 130, Hydraulic Throwout Bearing 280, \
Bellhousing 440, Clutch Cable 58
Drivetrain | 9 | Driveshaft 420, Ring and Pinion Set 290, Differential Carrier 620, Axle Shaft Set 540, \
Differential Cover 170, Axle Bearing Kit 84, Universal Joint 56, Pinion Washer 8
Suspension front | 3 | Coilover Kit 1250, Control Arm Set 560, Shock Absorber 140, Coil Spring Set 250, \
Sway Bar Kit 280, Ball Joint Set 130, Steering Knuckle 230, Lug Bolt 18
Suspension rear | 3 | Leaf Spring 260, Four Link Kit 780, Traction Bar Set 320, Rear Sway Bar 240, Panhard Bar 170, \
Air Spring Kit 410
Lift and leveling | 8 | Lift Kit 980, Leveling Kit 210, Lowering Kit 460, Body Mount Kit 180, Skid Plate 240
Steering | 8 | Steering Gear 420, Power Steering Pump 220, Steering Column 540, Steering Wheel 230, Tie Rod Set 110, \
Steering Shaft 150
Brakes | 3 | Disc Brake Kit 890, Brake Caliper Set 380, Brake Rotor Set 260, Brake Pad Set 78, Brake Booster 290, \
Master Cylinder 150, Brake Line Kit 130, Proportioning Valve 92
Wheels | 4 | Wheel 240, Wheel Spacer Set 110, Wheel Cap Set 72, Wheel Hub Cap 64, Lug Nut Kit 58, Wheel Stud Kit 60, \
Center Cap 26
Lighting | 11 | Headlight Set 290, Tail Light Set 240, Light Bar 260, Fog Light Kit 150, LED Bulb Kit 82, \
Turn Signal Assembly 76
Gauges | 10 | Gauge Set 420, Digital Dash 1150, Tachometer 190, Speedometer 240, Oil Pressure Gauge 88, \
Boost Gauge 96, Gauge Pod 54
Interior | 11 | Seat 460, Seat Belt Kit 140, Carpet Kit 210, Dash Pad 280, Door Panel Set 310, Console 190, \
Keyless Entry Kit 130, Floor Mat Set 92, Shift Knob 56
Exterior | 5 | Hood 680, Grille 290, Bumper 420, Fender 310, Spoiler 250, Mirror Set 140, Weatherstrip Kit 160, \
Emblem Decal 24, Stripe Decal 62, Tailgate Handle 58
Towing | 8 | Trailer Hitch 230, Brake Controller 170, Tonneau Cover 420, Bed Liner 260, Winch 640, Tow Hook Set 84
Air conditioning | 6 | Air Conditioning Kit 1380, Compressor 340, Condenser 190, Evaporator 210, Heater Core 96
Filters and fluids | 4 | Cold Air Intake 330, Cabin Filter 38, Oil Filter 24, Engine Oil 46, Transmission Fluid 42, \
Air Filter Element 58, Oil Filler Cap 22
"""
"""Kits, in the order in which a small store takes them up."""
